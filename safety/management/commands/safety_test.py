"""`manage.py safety_test "text"`: why a text is judged as it is."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from safety.cards import card
from safety.check import perform_comprehensive_safety_check
from safety.verdict import Finding, Profile, Verdict


class Command(BaseCommand):
    help = "Explain the safety verdict on one text: what matched, what took it back, which card comes first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text")
        parser.add_argument("--direction", choices=["input", "output"], default="input")
        parser.add_argument("--language")
        parser.add_argument("--country")
        parser.add_argument("--pregnant", action="store_true", help="judge as for someone who is pregnant")

    def handle(self, *_args: Any, **options: Any) -> None:
        verdict = perform_comprehensive_safety_check(
            options["text"],
            direction=options["direction"],
            language=options["language"],
            country=options["country"],
            profile=Profile(pregnant=True) if options["pregnant"] else None,
        )
        self.stdout.write(_summary(verdict))
        for finding in [*verdict.findings, *verdict.suppressed]:
            self.stdout.write(_explained(finding))
        for card_id in verdict.cards[:1]:
            shown = card(card_id, language=options["language"], country=options["country"])
            buttons = "\n".join(f"[{action.label}] {action.href}" for action in shown.actions)
            self.stdout.write(f"\ncard {card_id}\n{shown.content}\n{buttons}")


def _summary(verdict: Verdict) -> str:
    return (
        f"{verdict.action}, {verdict.severity}, score {verdict.score:.2f}, rules {verdict.ruleset_version}\n"
        f"masked: {verdict.masked_text}"
    )


def _explained(finding: Finding) -> str:
    fate = f"taken back by {finding.suppressed_by}" if finding.suppressed_by else f"{finding.severity}"
    return f"- {finding.rule_id}: {fate}, {finding.score:.2f}, at {finding.span}, in “{finding.clause}”"
