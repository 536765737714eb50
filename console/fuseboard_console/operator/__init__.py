"""An operator's commands: prompts, dispatch, and messages about their outcome."""
