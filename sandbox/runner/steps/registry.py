"""Every step that a scenario may have. A new one is a module beside this one and a name in this union."""

from __future__ import annotations

from sandbox.runner.steps.advance import Advance
from sandbox.runner.steps.attach import Attach
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.mark import Mark
from sandbox.runner.steps.orientations.agree import Agree
from sandbox.runner.steps.orientations.ask import Ask
from sandbox.runner.steps.orientations.behave import Behave
from sandbox.runner.steps.orientations.close import Close
from sandbox.runner.steps.orientations.open import Open
from sandbox.runner.steps.orientations.race import Race
from sandbox.runner.steps.orientations.refer import Refer
from sandbox.runner.steps.orientations.reserve import Reserve
from sandbox.runner.steps.orientations.respond import Respond
from sandbox.runner.steps.orientations.withdraw import Withdraw
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.take import Take
from sandbox.runner.steps.verify import Verify

AtEditors = Book | Mark | Take
WithoutEditor = Open | Close | Reserve | Race | Agree | Ask | Withdraw | Behave | Respond | Refer
Step = Login | Search | AtEditors | Verify | Attach | WithoutEditor | Advance
