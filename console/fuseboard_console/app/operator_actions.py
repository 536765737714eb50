"""What an operator does from the console: each command asked of an engine, the dangerous ones after a question."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.notifications import SeverityLevel

from fuseboard_console.actions.model import Action, key_for
from fuseboard_console.app.suspend import Suspending
from fuseboard_console.operator.bulk_prompts import MOST, ask_bulk
from fuseboard_console.operator.dispatcher import CommandDispatcher
from fuseboard_console.operator.prompts import ask_before, ask_reset_all, refusing
from fuseboard_console.pages.page import Page
from fuseboard_console.sources.feed import Feed
from fuseboard_console.text.formatting import plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import AdapterKey


class Operating(Suspending):
    """The operator's actions of the console."""

    feed: Feed
    dispatcher: CommandDispatcher
    page: Page
    actions: tuple[Action, ...]
    _named: AdapterKey | None = None  # what is meant while something is done to an adapter that was named

    def key(self, id: str) -> str:
        """Return the operator's key for an action, for a sentence that names it."""
        return key_for(self.actions, id)

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something to the operator for a few seconds."""
        self.notify(text, severity=severity, markup=False, timeout=6)

    async def action_reset(self) -> None:
        """Reset the selected adapter's breaker."""
        await self._ask_selected("reset")

    def action_force_open(self) -> None:
        """Ask, then hold the selected breaker open."""
        self._ask_first("force_open")

    def action_open_for(self) -> None:
        """Ask for how long, then open the selected breaker, or all marked ones."""
        keys = self._marked
        alone = None if keys else self._target()
        if (
            self.refuse_if_read_only()
            or (alone is None and not keys)
            or (alone is not None and self.dispatcher.refused(alone.instance))
        ):
            return
        from fuseboard_console.screens.duration_prompt import DurationPrompt, DurationPromptScreen

        question = ask_before("open_for", alone.adapter if alone is not None else plural(len(keys), "breaker"))

        async def answered(how_long: DurationPrompt | None) -> None:
            if how_long is None:
                return
            args = {"seconds": how_long.seconds}
            if alone is not None:
                await self.dispatcher.ask("open_for", alone.adapter, alone.instance, args)
            else:
                self._many("open_for", keys, args)

        self.push_screen(DurationPromptScreen(*question), answered)

    def action_disable(self) -> None:
        """Ask, then let every call through the selected breaker."""
        self._ask_first("disable")

    def action_metrics_only(self) -> None:
        """Ask, then let every call through and count it."""
        self._ask_first("metrics_only")

    async def action_half_open(self) -> None:
        """End the selected breaker's wait, if it waits for something."""
        key = self._target()
        row = self.feed.board.adapters.get(key) if key is not None else None
        if row is not None and row.state not in ("open", "forced_open") and not self._marked:
            self.show_notice(f"{safe_text(row.name, 60)} does not wait for a probe: there is nothing to end.")
            return
        await self._ask_selected("half_open")

    async def action_enable(self) -> None:
        """Let the selected breaker decide again."""
        await self._ask_selected("enable")

    @property
    def replayed(self) -> bool:
        """Whether what is shown has long happened, so that no engine can be asked about it."""
        raise NotImplementedError

    def refuse_if_read_only(self) -> bool:
        """Whether nothing can be asked, because this is a replay or only read; if so, say it."""
        if self.replayed:
            live = self.key("live")
            self.show_notice(
                f"This is a replay: there is no engine to ask. {live} goes back to live, if you were there."
            )
        elif self.dispatcher.read_only:
            self.show_notice("This console only reads: start it without --read-only to change anything.")
        return self.replayed or self.dispatcher.read_only

    def action_read_only(self) -> None:
        """Say why a key does nothing."""
        self.refuse_if_read_only()

    async def act_on(self, action: Action, adapter: AdapterKey) -> None:
        """Do an action to an adapter, wherever the cursor is and whatever is marked."""
        self._named = adapter
        try:
            await self.run_action(action.call, default_namespace=self)
        finally:
            self._named = None

    def _target(self) -> AdapterKey | None:
        """Return the adapter that is meant where none are marked: named, of the open detail, or under the cursor."""
        detailed: AdapterKey | None = getattr(self.screen, "adapter", None)
        return self._named or detailed or self.page.target

    @property
    def _marked(self) -> tuple[AdapterKey, ...]:
        """The marked adapters, which are meant instead; none where that is the one under the cursor.

        In an open detail only its own is meant, and where one was named that.
        """
        if self._named is not None:
            return ()
        keys = self.page.targets
        return () if hasattr(self.screen, "adapter") or keys == (self.page.target,) else keys

    def _many(self, verb: str, keys: tuple[AdapterKey, ...], args: dict[str, Any] | None = None) -> bool:
        """Ask for these marked adapters what was asked for one, after a word was typed; False: there are none."""
        if not keys:
            return False
        if len(keys) > MOST:
            self.show_notice(f"At most {MOST:,} breakers at a time: {len(keys):,} are marked.", "warning")
            return True
        if len(keys) == 1 and self.dispatcher.refused(keys[0].instance):
            return True
        from fuseboard_console.screens.typed_confirm import TypedConfirmScreen

        question = ask_bulk(verb, keys, self.page.targets_name, (args or {}).get("seconds"))
        asked = partial(self.dispatcher.ask_all, verb, keys, args)
        if len(keys) == 1:
            asked = partial(self.dispatcher.ask, verb, keys[0].adapter, keys[0].instance, args)

        def answered(yes: bool | None) -> None:
            if yes:
                self.page.unmark()
                self.run_worker(asked(), name="bulk", exit_on_error=True)

        self.push_screen(TypedConfirmScreen(*question), answered)
        return True

    async def _ask_selected(self, verb: str) -> None:
        if self.refuse_if_read_only() or self._many(verb, self._marked):
            return
        key = self._target()
        if key is not None:
            await self.dispatcher.ask(verb, key.adapter, key.instance)

    def _ask_first(self, verb: str) -> None:
        """Ask the operator, then an engine. What was selected when the question came is meant, whatever moves."""
        if self.refuse_if_read_only() or self._many(verb, self._marked):
            return
        key = self._target()
        if key is None or self.dispatcher.refused(key.instance):
            return
        from fuseboard_console.screens.confirm import ConfirmScreen

        question = ask_before(verb, key.adapter)

        async def answered(yes: bool | None) -> None:
            if yes:
                await self.dispatcher.ask(verb, key.adapter, key.instance)

        self.push_screen(ConfirmScreen(question.title, question.text, question.yes), answered)

    def action_reset_all(self) -> None:
        """Ask, then reset every breaker that refuses calls."""
        stuck = refusing(self.feed.board)
        if self.refuse_if_read_only():
            return
        if not stuck:
            self.show_notice("No breaker is open: there is nothing to reset.")
            return
        reached = [row for row in stuck if not self.dispatcher.over(row.key.instance)]
        if not reached:
            self.dispatcher.refused(stuck[0].key.instance)
            return
        question = ask_reset_all(reached)
        from fuseboard_console.screens.confirm import ConfirmScreen

        async def answered(yes: bool | None) -> None:
            if yes:
                for instance in question.instances:
                    await self.dispatcher.ask("reset_all", "", instance)

        self.push_screen(ConfirmScreen(question.title, question.text, question.yes), answered)
