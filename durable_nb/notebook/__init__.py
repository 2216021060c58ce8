"""IPython's side: magics, cell analysis, the namespace, outputs."""
