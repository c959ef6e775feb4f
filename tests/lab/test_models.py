"""The architectures: their sizes by arithmetic of one's own, their outputs, and that they can be stacked under vmap."""

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from halflife.lab import StudyError
from halflife.lab.models import flat_mlp, mlp, resnet, shake_shake, transformer
from halflife.lab.models.fitting import MODELS
from halflife.lab.problems import Problem, Split, digits, ridge


def size(model):
    return sum(weight.numel() for weight in model.parameters())


def resnet_size(depth, width, batch_norm, channels=3, classes=10):
    """Layer by layer from the paper's table."""
    n, norm = (depth - 2) // 6, 2 if batch_norm else 0
    total, before = 9 * channels * width + norm * width, width
    for stage in range(3):
        for _ in range(n):
            wide = width * 2**stage
            total += 9 * before * wide + 9 * wide * wide + 2 * norm * wide
            before = wide
    return total + before * classes + classes


def shake_size(depth, width, channels=3, classes=10):
    n, before = (depth - 2) // 6, 16
    total = 9 * channels * 16 + 2 * 16
    for stage in range(3):
        for _ in range(n):
            wide = width * 2**stage
            total += 2 * (9 * before * wide + 9 * wide * wide + 4 * wide)
            if before != wide:
                total += 2 * (before * (wide // 2)) + 2 * wide
            before = wide
    return total + before * classes + classes


@pytest.mark.parametrize(
    ("depth", "with_norm", "without"),
    [
        (20, 269_722, 268_346),
        (32, 464_154, 461_882),
        (44, 658_586, 655_418),
        (56, 853_018, 848_954),
        (110, 1_727_962, 1_719_866),
    ],
)
def test_a_resnet_has_the_papers_number_of_parameters(depth, with_norm, without):
    assert size(resnet(depth)) == resnet_size(depth, 16, True) == with_norm
    assert size(resnet(depth, batch_norm=False)) == resnet_size(depth, 16, False) == without
    assert size(resnet(depth, width=4, channels=1, classes=7)) == resnet_size(depth, 4, True, 1, 7)
    weights = [w for w in resnet(depth, batch_norm=False).parameters() if w.ndim > 1]
    assert len(weights) == depth


@pytest.mark.parametrize(("width", "parameters"), [(32, 2_923_162), (64, 11_653_978), (96, 26_192_922)])
def test_shake_shake_has_its_papers_number_of_parameters(width, parameters):
    assert size(shake_shake(width)) == shake_size(26, width) == parameters
    assert parameters / 1e6 == pytest.approx({32: 2.9, 64: 11.7, 96: 26.2}[width], abs=0.051)  # Gastaldi 2017, table 3


def test_a_transformer_has_the_parameters_of_its_layers():
    v, t, w, d = 65, 64, 128, 4
    block = 2 * 2 * w + (3 * w * w + 3 * w) + (w * w + w) + (4 * w * w + 4 * w) + (4 * w * w + w)
    assert size(transformer(v, t)) == v * w + t * w + d * block + 2 * w + v * w == 818_176


@pytest.mark.parametrize(
    ("make", "sentence"), [(resnet, "6n \\+ 2"), (lambda depth: shake_shake(depth=depth), "6n \\+ 2")]
)
@pytest.mark.parametrize("depth", [2, 18, 21])
def test_a_depth_that_does_not_exist_is_refused(make, sentence, depth):
    with pytest.raises(StudyError, match=sentence):
        make(depth)
    with pytest.raises(StudyError, match="3 heads cannot share a width of 64"):
        transformer(5, 5, width=64, heads=3)


def test_a_resnet_without_branches_is_its_shortcuts():
    """With all branches 0 a block is relu(x at every second pixel, zero channels added): option A."""
    model = resnet(8, width=4, batch_norm=False)
    for block in (module for stage in model.stages for module in stage):
        torch.nn.init.zeros_(block.branch[-2].weight)
    images = torch.randn(2, 3, 8, 8)
    stem = model.stem(images)
    features = model.stages(stem)
    assert features.shape == (2, 16, 2, 2)
    assert torch.equal(features[:, :4], stem[:, :, ::4, ::4])
    assert not features[:, 4:].any()


def test_he_initialization():
    torch.manual_seed(0)
    model = resnet(20)
    for weight in (w for w in model.parameters() if w.ndim == 4 and w[0].numel() >= 144):
        assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)
    for weight in (w for w in shake_shake(32).parameters() if w.ndim == 4 and w.numel() > 4000):
        outputs, _, height, width = weight.shape
        assert weight.std().item() == pytest.approx((2 / (outputs * height * width)) ** 0.5, rel=0.1)


IMAGES, LABELS = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 2, 1, 0])
TOKENS = torch.randint(5, (4, 6), generator=torch.Generator().manual_seed(1))
TINY = {
    "mlp": (lambda: flat_mlp(192, 8, 3), IMAGES, LABELS),
    "resnet": (lambda: resnet(8, width=2, classes=3), IMAGES, LABELS),
    "resnet-no-bn": (lambda: resnet(8, width=2, batch_norm=False, classes=3), IMAGES, LABELS),
    "shake-shake": (lambda: shake_shake(4, depth=8, classes=3), IMAGES, LABELS),
    "transformer": (lambda: transformer(5, 6, width=8, depth=2, heads=2), TOKENS, TOKENS.roll(-1, 1)),
}


def tiny(name, seed):
    torch.manual_seed(seed)
    make, inputs, targets = TINY[name]
    model = torch.func.replace_all_batch_norm_modules_(make())  # the executor keeps the running statistics
    return model, inputs, targets


def mean_loss(outputs, targets):
    return cross_entropy(outputs.flatten(0, -2), targets.flatten())


@pytest.mark.parametrize("name", TINY)
def test_a_stack_under_vmap_has_the_gradients_of_each(name):
    """Shake-Shake in evaluation, where nothing is drawn."""
    models = [tiny(name, seed)[0] for seed in range(3)]
    _, inputs, targets = tiny(name, 0)
    if name == "shake-shake":
        for module in (module for model in models for module in model.modules() if type(module).__name__ == "GridSpec"):
            module.training = False
    weights, _ = stack_module_state(models)

    def loss(one):
        return mean_loss(functional_call(models[0], one, (inputs,)), targets)

    found = vmap(grad(loss))(weights)
    for i, model in enumerate(models):
        model.zero_grad()
        mean_loss(model(inputs), targets).backward()
        for key, weight in model.named_parameters():
            torch.testing.assert_close(found[key][i], weight.grad, rtol=1e-4, atol=1e-6)
    assert all(g.abs().max() > 0 for g in found.values())


@pytest.mark.parametrize("name", TINY)
def test_nothing_is_changed_in_place(name):
    model, inputs, _ = tiny(name, 0)
    before = inputs.clone()
    model(inputs)
    assert torch.equal(inputs, before)
    assert not any(getattr(module, "inplace", False) for module in model.modules())


# The transformer


def test_no_character_sees_those_after_it():
    torch.manual_seed(0)
    model = transformer(9, 12, width=16, depth=2, heads=4)
    tokens = torch.randint(9, (3, 12))
    whole = model(tokens)
    for t in (0, 5, 11):
        changed = tokens.clone()
        changed[:, t] = (changed[:, t] + 1) % 9
        moved = (model(changed) - whole).abs().amax((0, 2))
        assert (moved[:t] < 1e-6).all()
        assert (moved[t:] > 1e-6).all()
    torch.testing.assert_close(model(tokens[:, :7]), whole[:, :7])


def test_attention_is_torchs():
    torch.manual_seed(0)
    attention = transformer(9, 12, width=16, heads=4).blocks[0].attention[1]
    torch.nn.init.normal_(attention.take.weight)  # large enough for the scores to matter
    x = torch.randn(2, 6, 16)
    q, k, v = (part.reshape(2, 6, 4, 4).transpose(1, 2) for part in attention.take(x).split(16, -1))
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(attention(x), attention.out(theirs.transpose(1, 2).reshape(2, 6, 16)))


# By name


def of_images(channels, side, classes):
    split = Split(torch.randn(2 * classes, channels, side, side), torch.arange(2 * classes) % classes)
    return Problem("pictures", "", split, split, split, lambda: mlp(1, 1))


def of_tokens():
    split = Split(TOKENS, TOKENS)
    return Problem("words", "", split, split, split, lambda: mlp(1, 1))


@pytest.mark.parametrize("name", MODELS)
def test_an_architecture_is_fitted_to_the_problem(name):
    if "transformer" in name:
        assert MODELS[name](of_tokens())(TOKENS).shape == (4, 6, 5)
        wrong, sentence = of_images(1, 8, 3), "a transformer takes tokens, but pictures has none"
    else:
        problem = of_images(1, 8, 3)
        with torch.no_grad():
            assert MODELS[name](problem)(problem.train.inputs[:2]).shape == (2, 3)
        wrong, sentence = of_tokens(), "words has (tokens|samples of shape)"
    with pytest.raises(StudyError, match=sentence):
        MODELS[name](wrong)


def test_the_perceptron_of_digits_is_the_one_it_was():
    assert str(MODELS["mlp"](digits())) == str(mlp(64, 64, 64, 10))
    assert MODELS["mlp"](ridge())(ridge().train.inputs[:3]).shape == (3, 1)
    with pytest.raises(StudyError, match=r"a ResNet takes images .*digits has samples of shape \[64\]"):
        MODELS["resnet20"](digits())
