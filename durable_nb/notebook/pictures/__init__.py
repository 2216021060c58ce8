"""Pictures of a notebook's steps, drawn when somebody asks for one: nothing here is imported by ``%load_ext``."""
