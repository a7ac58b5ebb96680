"""Linear operations on images, pixel by pixel, from their definitions. Imports nothing of ours."""

import itertools

import numpy as np


def convolve(image, kernels, stride, padding, dilation, groups):
    """y[o, r, c] = sum_ikl kernels[o, i, k, l] x[i, r s + k d - p, c s + l d - p], zero outside."""
    c_out, per_group, kh, kw = kernels.shape
    (top, bottom), (left, right) = padding
    height = (image.shape[1] + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (image.shape[2] + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((c_out, height, width))
    for o, r, c, i, k, m in itertools.product(*map(range, (*y.shape, per_group, kh, kw))):
        row, column = r * stride[0] + k * dilation[0] - top, c * stride[1] + m * dilation[1] - left
        if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
            y[o, r, c] += kernels[o, i, k, m] * image[o // (c_out // groups) * per_group + i, row, column]
    return y


def convolve_transposed(image, kernels, stride, padding, output_padding, dilation, groups):
    """Every pixel x[i, r, c] adds kernels[i, o, k, l] x to y[o, r s + k d - p, c s + l d - p]."""
    c_in, per_group, kh, kw = kernels.shape
    sizes = [
        (image.shape[1 + a] - 1) * stride[a] + dilation[a] * (kernels.shape[2 + a] - 1) + 1
        - sum(padding[a]) + output_padding[a]
        for a in range(2)
    ]  # fmt: skip
    y = np.zeros((groups * per_group, *sizes))
    for i, r, c, o, k, m in itertools.product(*map(range, (*image.shape, per_group, kh, kw))):
        row, column = (
            r * stride[0] + k * dilation[0] - padding[0][0],
            (c * stride[1] + m * dilation[1] - padding[1][0]),
        )
        if 0 <= row < sizes[0] and 0 <= column < sizes[1]:
            y[i // (c_in // groups) * per_group + o, row, column] += kernels[i, o, k, m] * image[i, r, c]
    return y


def mean_pool(image, size, stride, padding, count_padding):
    """The mean of each window: of the pixels that it holds, or of its whole size."""
    (top, bottom), (left, right) = padding
    height = (image.shape[1] + top + bottom - size[0]) // stride[0] + 1
    width = (image.shape[2] + left + right - size[1]) // stride[1] + 1
    y = np.zeros((len(image), height, width))
    for r, c in np.ndindex(height, width):
        rows = slice(max(r * stride[0] - top, 0), max(r * stride[0] - top + size[0], 0))
        columns = slice(max(c * stride[1] - left, 0), max(c * stride[1] - left + size[1], 0))
        window = image[:, rows, columns]
        n = size[0] * size[1] if count_padding else window[0].size
        y[:, r, c] = window.sum(axis=(1, 2)) / n
    return y
