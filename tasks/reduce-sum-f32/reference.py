def reference(inputs, sizes):
    return {"out": inputs["x"].sum(keepdims=True)}
