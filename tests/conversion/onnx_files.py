"""ONNX graphs written down as one writes functions: net.Relu(net.Conv(x, weight, strides=[2, 2]))."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rheobase.conversion.tracing.onnx.amended import amended


class Net:
    """A graph in the making: every operator is a method, arrays become initializers."""

    def __init__(self, opset=21, seed=0):
        self.opset, self.rng = opset, np.random.default_rng(seed)
        self.nodes, self.held = [], []

    def __getattr__(self, operator):
        return lambda *given, **settings: self.add(operator, given, **settings)

    def add(self, operator, given, results=1, domain="", **settings):
        names = ["" if one is None else one if isinstance(one, str) else self.hold(one) for one in given]
        made = [f"{operator.lower()}{len(self.nodes)}_{i}" for i in range(results)]
        self.nodes.append(helper.make_node(operator, names, made, domain=domain, **settings))
        return made[0] if results == 1 else made

    def hold(self, array):
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        self.held.append(numpy_helper.from_array(array, f"held{len(self.held)}"))
        return self.held[-1].name

    def drawn(self, *shape):
        return 0.5 * self.rng.normal(size=shape).astype(np.float32)

    def model(self, shape, output, kind=onnx.TensorProto.FLOAT, batch="n", rank=2):
        x = helper.make_tensor_value_info("x", kind, [batch, *shape])
        y = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [None] * rank)
        graph = helper.make_graph(self.nodes, "net", [x], [y], self.held)
        imports = [helper.make_operatorsetid("", self.opset)]
        imports += [helper.make_operatorsetid(d, 1) for d in {n.domain for n in self.nodes} - {""}]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


def parts_of(shape, function, opset=21, **settings):
    """Return a model whose answer is all that a function returns, flattened, one behind the other."""
    net = Net(opset)
    parts = [net.Flatten(one, axis=1) for one in function(net, "x")]
    return net.model(shape, net.Concat(*parts, axis=1), **settings), parts


def reference(model, x, names=None):
    """Return what onnx's reference implementation computes, sample by sample."""
    if names:
        model = onnx.ModelProto.FromString(model.SerializeToString())
        del model.graph.output[:]
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    evaluator = ReferenceEvaluator(model, new_ops=[*amended(model.opset_import[0].version)])
    with np.errstate(all="ignore"):
        each = [evaluator.run(None, {"x": x[i : i + 1]}) for i in range(len(x))]
    return [np.concatenate(one) for one in zip(*each, strict=True)]
