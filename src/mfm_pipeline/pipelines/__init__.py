"""One folder a pipeline: `nodes.py` calls the rest of the project, `pipeline.py` wires it."""
