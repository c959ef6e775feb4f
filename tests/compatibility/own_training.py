"""A training of one's own, as the stored ledger of it was made with; its text is part of the ledger's keys."""


def train(config):
    """A valley over lr and λ, and a learning rate that is too large."""
    error = 0.1 + abs(config.lr - 0.01) + abs(config.weight_decay - 0.1) + 0.001 * config.seed
    error = error if config.lr < 0.1 else float("nan")
    return {"val_error": error, "test_error": error + 0.01, "extra": 2.0}
