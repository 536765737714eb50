"""An incident report from a recording, as Markdown and as HTML."""
