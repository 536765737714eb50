"""The operator's commands on breakers: which adapters they apply to, and the question before the dangerous ones."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from fuseboard_console.actions.model import Action
from fuseboard_console.operator.bulk_prompts import MAX_BREAKERS, batch_prompt
from fuseboard_console.operator.prompts import open_many_prompt, prompt_for, refusing_adapters, reset_all_prompt
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import EngineNames, engine_names
from fuseboard_storage.board.board import AdapterKey

if TYPE_CHECKING:
    from fuseboard_console.app.protocols import Console


class OperatorActions:
    """Sends commands on the selected or the marked adapters. Screens are imported when they open."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._named: AdapterKey | None = None  # the adapter that `act_on` was called with, while it runs

    # ---------------------------------------------------------------- the target

    async def act_on(self, action: Action, adapter: AdapterKey) -> None:
        """Run an action on one adapter, wherever the cursor is and whatever is marked."""
        self._named = adapter
        try:
            await self._console.run_action(action.call, default_namespace=self._console)
        finally:
            self._named = None

    def _target(self) -> AdapterKey | None:
        """Return the adapter of a command when none are marked: named, in the open detail, or under the cursor."""
        detailed: AdapterKey | None = getattr(self._console.screen, "adapter", None)
        return self._named or detailed or self._console.page.target

    @property
    def _engines(self) -> EngineNames:
        """The engines of the session in view, named where several have an adapter of the same name."""
        return engine_names(self._console.feed.board)

    @property
    def _marked(self) -> tuple[AdapterKey, ...]:
        """The marked adapters; empty when only the one under the cursor is, or a named or open one is the target."""
        if self._named is not None or hasattr(self._console.screen, "adapter"):
            return ()
        keys = self._console.page.targets
        return () if keys == (self._console.page.target,) else keys

    def refuse_if_read_only(self) -> bool:
        """Show why no command can be sent, in a replay or a read-only console; return whether it was refused."""
        console = self._console
        if console.sessions.replay is not None:
            back = "" if console.sessions.at_bottom else f" {console.key('live')} goes back to the present."
            console.show_notice(f"This is a replay: it has no engine to command.{back}")
            return True
        if console.dispatcher.read_only:
            console.show_notice(self._why_read_only())
            return True
        return False

    def _why_read_only(self) -> str:
        recording = self._console.feed.recording
        if recording is not None and not os.access(recording.path, os.W_OK):
            return f"{safe_text(recording.path.name, 200)} cannot be written, so no command can be sent."
        return "This console is read-only. Start it without --read-only to send commands."

    # ---------------------------------------------------------------- commands

    async def send(self, verb: str) -> None:
        """Send a command for the target; ask first when adapters are marked."""
        if self.refuse_if_read_only() or self._ask_for_marked(verb, self._marked):
            return
        key = self._target()
        if key is not None:
            await self._console.dispatcher.send(verb, key.adapter, key.instance)

    def confirm(self, verb: str) -> None:
        """Ask, then send a command. It applies to what was selected when the question opened, whatever moves since."""
        if self.refuse_if_read_only() or self._ask_for_marked(verb, self._marked):
            return
        key = self._target()
        dispatcher = self._console.dispatcher
        if key is None or dispatcher.notify_if_over(key.instance):
            return
        from fuseboard_console.screens.confirm import ConfirmScreen

        question = prompt_for(verb, key.adapter, self._engines.of_key(key))

        async def answered(yes: bool | None) -> None:
            if yes:
                await self._console.dispatcher.send(verb, key.adapter, key.instance)

        self._console.push_screen(ConfirmScreen(question.title, question.text, question.yes), answered)

    async def half_open(self) -> None:
        """End the wait of the target's breaker, unless it does not wait."""
        key = self._target()
        row = self._console.feed.board.adapters.get(key) if key is not None else None
        if row is not None and row.state not in ("open", "forced_open") and not self._marked:
            name = self._engines.adapter(row.key)
            self._console.show_notice(f"{name} does not wait for a probe: there is nothing to end.")
            return
        await self.send("half_open")

    def open_for(self) -> None:
        """Ask for how long, then open the target's breaker, or all marked ones."""
        keys = self._marked
        alone = None if keys else self._target()
        if self.refuse_if_read_only() or (alone is None and not keys):
            return
        if alone is not None and self._console.dispatcher.notify_if_over(alone.instance):
            return
        from fuseboard_console.screens.duration_prompt import DurationPrompt, DurationPromptScreen

        if alone is not None:
            question = prompt_for("open_for", alone.adapter, self._engines.of_key(alone))
        else:
            question = open_many_prompt(len(keys))

        async def answered(duration: DurationPrompt | None) -> None:
            if duration is None:
                return
            args = {"seconds": duration.seconds}
            if alone is not None:
                await self._console.dispatcher.send("open_for", alone.adapter, alone.instance, args)
            else:
                self._ask_for_marked("open_for", keys, args)

        self._console.push_screen(DurationPromptScreen(*question), answered)

    def reset_all(self) -> None:
        """Ask, then reset every breaker that refuses calls."""
        console = self._console
        refused = refusing_adapters(console.feed.board)
        if self.refuse_if_read_only():
            return
        if not refused:
            console.show_notice("No breaker is open: there is nothing to reset.")
            return
        reachable = [row for row in refused if not console.dispatcher.is_over(row.key.instance)]
        if not reachable:
            console.dispatcher.notify_if_over(refused[0].key.instance)
            return
        question = reset_all_prompt(reachable, self._engines)
        from fuseboard_console.screens.confirm import ConfirmScreen

        async def answered(yes: bool | None) -> None:
            if yes:
                for instance in question.instances:
                    await console.dispatcher.send("reset_all", "", instance)

        console.push_screen(ConfirmScreen(question.title, question.text, question.yes), answered)

    def _ask_for_marked(self, verb: str, keys: tuple[AdapterKey, ...], args: dict[str, Any] | None = None) -> bool:
        """Send a command for the marked adapters once a word was typed; return False when none are marked."""
        console = self._console
        if not keys:
            return False
        if len(keys) > MAX_BREAKERS:
            console.show_notice(f"At most {MAX_BREAKERS:,} breakers at a time: {len(keys):,} are marked.", "warning")
            return True
        if len(keys) == 1 and console.dispatcher.notify_if_over(keys[0].instance):
            return True
        from fuseboard_console.screens.typed_confirm import TypedConfirmScreen

        seconds = (args or {}).get("seconds")
        question = batch_prompt(verb, keys, console.page.targets_name, seconds, self._engines)
        command = partial(console.dispatcher.send_all, verb, keys, args)
        if len(keys) == 1:
            command = partial(console.dispatcher.send, verb, keys[0].adapter, keys[0].instance, args)

        def answered(yes: bool | None) -> None:
            if yes:
                console.page.unmark()
                console.run_worker(command(), name="bulk", exit_on_error=True)

        console.push_screen(TypedConfirmScreen(*question), answered)
        return True
