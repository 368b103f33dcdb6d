"""Which of its kernels OpenBLAS runs, for the programs here that use PyTorch."""
import ctypes


def blas():
    """The kernels that OpenBLAS has chosen: a version that does not know a processor takes those of a much older one."""
    try:
        name = ctypes.CDLL("libopenblas.so.0").openblas_get_corename
    except (OSError, AttributeError):
        return ""
    name.restype = ctypes.c_char_p
    return f" OpenBLAS/{name().decode()}"
