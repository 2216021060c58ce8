"""``python -m durable_nb.cli``: the command line, where the script is not on the path."""

from durable_nb.cli.main import main

raise SystemExit(main())
