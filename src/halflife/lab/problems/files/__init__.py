"""Files of data: where they lie, how they are fetched, how each form is read."""

from .cifar import CIFAR10, CIFAR100, Cifar, read_cifar
from .folder import data_folder
from .idx import read_fashion_mnist, read_idx
from .images import Images, ImageSet
from .text import read_shakespeare

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Cifar",
    "ImageSet",
    "Images",
    "data_folder",
    "read_cifar",
    "read_fashion_mnist",
    "read_idx",
    "read_shakespeare",
]
