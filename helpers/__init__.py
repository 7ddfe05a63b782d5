"""Shared utilities of the notebooks: data loading, text and image processing, training, plots, sliders.

Importing any part of the package first sets three environment variables, unless the reader has set them:
TensorFlow's start-up messages are turned off, Keras runs on TensorFlow, and a GPU's memory is taken as it is
needed instead of all at once.
"""

import os
import sys


def check_python(version: tuple) -> None:
    """Raise RuntimeError for a Python, such as `(3, 10)`, for which the project's packages have no builds."""
    if not (3, 11) <= version < (3, 14):
        raise RuntimeError(
            f"this kernel runs Python {version[0]}.{version[1]}, and the notebooks need 3.11, 3.12 or 3.13. "
            "Choose another kernel, or make one with `python3.12 make.py lab` in the project's folder."
        )


check_python(sys.version_info[:2])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow with the process's error stream closed off.

    TensorFlow writes its first lines before it reads any log level, so no environment variable stops them, and a
    notebook shows them as a red warning. An error in the import is an exception and still seen. Later, only errors are
    logged: the warnings that remain, such as "retracing", are meant for those who write TensorFlow programs.
    """
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
    tensorflow.get_logger().setLevel("ERROR")


if "ipykernel" in sys.modules:
    _import_tensorflow_quietly()
