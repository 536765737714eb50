"""The operator's commands: their adapters, and the questions before dangerous ones. Also steers scenarios."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fuseboard_console.actions.model import Action
from fuseboard_console.operator.bulk_prompts import MAX_BREAKERS, batch_prompt
from fuseboard_console.operator.prompts import open_many_prompt, prompt_for, refusing_adapters, reset_all_prompt
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.questions import ask
from fuseboard_console.views.adapters.engine_names import EngineNames, engine_names
from fuseboard_console.views.frame.scenario_caption import seconds_in
from fuseboard_storage.board.board import AdapterKey

if TYPE_CHECKING:
    from fuseboard_console.app.protocols import Console
    from fuseboard_console.sources.session import Controls


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

        async def confirmed(yes: bool) -> None:
            await self._console.dispatcher.send(verb, key.adapter, key.instance)

        ask(self._console, ConfirmScreen(question.title, question.text, question.yes), confirmed)

    async def half_open(self) -> None:
        """End the wait of the target's breaker, unless it does not wait. Ask first if it is held open by hand."""
        key = self._target()
        row = self._console.feed.board.adapters.get(key) if key is not None else None
        if row is not None and row.state not in ("open", "forced_open") and not self._marked:
            name = self._engines.adapter(row.key)
            self._console.show_notice(f"{name} does not wait for a probe: there is nothing to end.")
            return
        if row is not None and row.state == "forced_open" and not self._marked:
            self.confirm("half_open")  # somebody holds it open on purpose
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

        async def answered(duration: DurationPrompt) -> None:
            args = {"seconds": duration.seconds}
            if alone is not None:
                await self._console.dispatcher.send("open_for", alone.adapter, alone.instance, args)
            else:
                self._ask_for_marked("open_for", keys, args)

        ask(self._console, DurationPromptScreen(*question), answered)

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

        async def confirmed(yes: bool) -> None:
            for instance in question.instances:
                await console.dispatcher.send("reset_all", "", instance)

        ask(console, ConfirmScreen(question.title, question.text, question.yes), confirmed)

    def inject(self) -> None:
        """Choose a fault for the target, or all marked adapters. Of a live engine, its name has to be typed then."""
        console = self._console
        board, keys = console.feed.board, self._marked
        alone = None if keys else self._target()
        chosen = keys or (() if alone is None else (alone,))
        if self.refuse_if_read_only() or not chosen:
            return
        playing = None if board.scenario is None else board.scenario.scenario
        names = {row.name if (row := board.instances.get(key.instance)) else "" for key in chosen}
        if len(names) > 1:
            console.show_notice("Mark adapters of one engine only: its name has to be typed.")
            return
        (name,) = names
        if console.dispatcher.notify_if_over(chosen[0].instance):
            return
        from fuseboard_console.screens.fault_menu import FaultChoice, FaultMenu

        subject = self._engines.adapter(chosen[0]) if len(chosen) == 1 else f"{len(chosen):,} adapters"

        async def answered(choice: FaultChoice) -> None:
            if choice.fault and name != playing:
                self._confirm_fault(choice.fault, choice.args, chosen, subject, name)
            else:
                await self.send_fault(choice.fault, choice.args, chosen)

        ask(console, FaultMenu(f"A fault for {subject}"), answered)

    def _confirm_fault(
        self, fault: str, args: Mapping[str, float], keys: Sequence[AdapterKey], subject: str, engine: str
    ) -> None:
        """Send a fault of a live engine's adapters once the engine's name was typed."""
        from fuseboard_console.screens.typed_confirm import TypedConfirmScreen
        from fuseboard_engine.faults.injector import SECONDS

        seconds = f"{args.get('seconds', SECONDS):g} s"
        text = f"Real calls meet it for {seconds}; then it ends by itself. The engine has to allow faults."
        word = safe_text(engine, 60)

        def confirmed(yes: bool) -> None:
            self._console.run_worker(self.send_fault(fault, args, keys), name="fault", exit_on_error=True)

        title = f"Inject {fault} into {subject} of {word}?"
        ask(self._console, TypedConfirmScreen(title, text, word, "Inject"), confirmed)

    async def send_fault(self, fault: str, args: Mapping[str, float], keys: Sequence[AdapterKey]) -> None:
        """Begin a fault of adapters, with its arguments; an empty one ends their fault."""
        for key in keys:
            if fault:
                await self._console.dispatcher.send("inject", key.adapter, key.instance, {"fault": fault, **args})
            else:
                await self._console.dispatcher.send("heal", key.adapter, key.instance)

    def _ask_for_marked(self, verb: str, keys: tuple[AdapterKey, ...], args: dict[str, Any] | None = None) -> bool:
        """Send a command for the marked adapters once a word was typed; return False when none are marked."""
        console = self._console
        if not keys:
            return False
        if len(keys) > MAX_BREAKERS:
            console.show_notice(f"At most {MAX_BREAKERS:,} breakers at a time: {len(keys):,} are chosen.", "warning")
            return True
        if len(keys) == 1 and console.dispatcher.notify_if_over(keys[0].instance):
            return True
        from fuseboard_console.screens.typed_confirm import TypedConfirmScreen

        seconds = (args or {}).get("seconds")
        group = console.page.targets_name if set(console.page.targets) == set(keys) else ""
        question = batch_prompt(verb, keys, group, seconds, self._engines)
        command = partial(console.dispatcher.send_all, verb, keys, args)
        if len(keys) == 1:
            command = partial(console.dispatcher.send, verb, keys[0].adapter, keys[0].instance, args)

        def confirmed(yes: bool) -> None:
            console.page.unmark()
            console.run_worker(command(), name="bulk", exit_on_error=True)

        ask(console, TypedConfirmScreen(*question), confirmed)
        return True


class Steering:
    """Steers the scenario in view, if this console started it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def active(self) -> bool:
        """Whether a scenario is in view that this console steers."""
        return self._console.sessions.controls is not None

    def toggle(self) -> None:
        """Stop the scenario, or let it go on."""
        if (controls := self._controls_before_end("The scenario has ended.")) is not None:
            controls.toggle()

    def next_step(self) -> None:
        """Go to the next step of the scenario."""
        if (controls := self._controls_before_end("No step follows: the scenario has ended.")) is not None:
            controls.next_step()

    def restart(self) -> None:
        """Play the scenario from the beginning."""
        if (controls := self._controls()) is not None:
            controls.restart()
            self._console.show()

    def _controls(self) -> Controls | None:
        """Return what steers the scenario in view; None without one, and after a notice if its engine is gone."""
        session = self._console.sessions.current
        reason = "" if session.failure_reason is None else session.failure_reason()
        if reason and session.controls is not None:
            self._console.show_notice(safe_text(reason, 400), "error")
            return None
        return session.controls

    def _controls_before_end(self, ended: str) -> Controls | None:
        """Return what steers the scenario; after its end show the sentence `ended` and return None."""
        console = self._console
        step = console.feed.board.scenario
        if self.active and step is not None and step.ends:
            console.show_notice(f"{ended} {console.key('restart')} plays it again.")
            return None
        return self._controls()

    def leave_view(self, then: Callable[[], object]) -> None:
        """Do what leaves the session in view; if a scenario plays in it, ask first."""
        if self.active:
            self.leave(then)
        else:
            then()

    def leave(self, then: Callable[[], object], *, quits: bool = False) -> None:
        """Do what ends the scenario that was started from this console; ask first if it has not ended by itself.

        With `quits`, it ends the scenario that the console was opened on too.
        """
        step = self._console.sessions.unfinished(bottom=quits)
        if step is None:
            then()
            return
        from fuseboard_console.screens.confirm import ConfirmScreen

        name = safe_text(step.scenario, 60)
        played = f"{seconds_in(step, self._console.sessions.now()):.0f} of its {step.duration:g} s are played."

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        question = ConfirmScreen(f"Leave the scenario {name}?", f"{played} Its engine ends.", "Leave")
        self._console.push_screen(question, answered)
