"""Every step that a scenario may have. A new one is a module beside this one and a name in this union."""

from __future__ import annotations

from sandbox.runner.steps.attach import Attach
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.mark import Mark
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.take import Take
from sandbox.runner.steps.verify import Verify

Step = Login | Search | Book | Mark | Take | Verify | Attach
