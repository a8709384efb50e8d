"""The forms of the page "You and your children": one for the person, one for each child, one for another."""

from datetime import date
from functools import cached_property
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from chat.models import Child, Feeding, Person, Reading, Tone
from chat.profile import MOST_CHILDREN, Known, children_of, known, one_line, wrong_birth_date, wrong_due_date
from safety.cards.places import country_names

NEW = "new"


class _OwnWords(forms.CharField):
    """One line of the person's own words, without characters that nobody sees."""

    def to_python(self, value: Any) -> str:
        return one_line(super().to_python(value) or "", 10_000)  # too long is told, not cut


def _date_field(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": _("Please write the date as year-month-day, like 2026-05-12.")},
    )


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    due_date = _date_field(_("Due date"), _("If you are pregnant. The week is worked out from it."))
    about = _OwnWords(
        label=_("Anything else answers should know"),
        help_text=_("For example: twins, a caesarean, an illness, a diet, who helps you."),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    tone = forms.ChoiceField(label=_("Tone"), required=False, choices=[("", _("As it comes")), *Tone.choices])
    reading = forms.ChoiceField(
        label=_("Words"), required=False, choices=[("", _("As it comes")), *Reading.choices]
    )
    language = forms.ChoiceField(label=_("Language of the pages"), required=False)
    country = forms.ChoiceField(
        label=_("Country"), help_text=_("Whose emergency numbers you see."), required=False
    )

    class Meta:
        model = Person
        fields = ("due_date", "about", "tone", "reading", "language", "country")

    def __init__(self, *args: Any, today: date, **more: Any) -> None:
        super().__init__(*args, **more)
        self._today = today
        languages = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
        self._choose("language", now_("As my browser says"), languages)
        self._choose("country", now_("Not told"), list(country_names(get_language())))

    def _choose(self, name: str, none: str, choices: list[tuple[str, str]]) -> None:
        """What was chosen elsewhere, as by the API, stays."""
        known_now = getattr(self.instance, name)
        others = [] if known_now in ("", *dict(choices)) else [(known_now, known_now)]
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", none), *choices, *others]

    def clean_due_date(self) -> date | None:
        """One that was right when it was told may grow old."""
        due: date | None = self.cleaned_data["due_date"]
        if due and "due_date" in self.changed_data and (wrong := wrong_due_date(due, self._today)):
            raise ValidationError(wrong)
        return due


class ChildForm(forms.ModelForm):  # type: ignore[type-arg]
    name = _OwnWords(label=_("Name or nickname"), required=False, max_length=60)
    birth_date = _date_field(_("Birth date"), _("The age is worked out from it."))
    feeding = forms.ChoiceField(
        label=_("Feeding"), required=False, choices=[("", _("Not told")), *Feeding.choices]
    )
    notes = _OwnWords(
        label=_("Notes"),
        help_text=_("For example: allergic to cow's milk, born at 34 weeks."),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    class Meta:
        model = Child
        fields = ("name", "birth_date", "feeding", "notes")

    def __init__(self, *args: Any, today: date, **more: Any) -> None:
        super().__init__(*args, **more)
        self._today = today
        self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_birth_date(self) -> date | None:
        born: date | None = self.cleaned_data["birth_date"]
        if born and "birth_date" in self.changed_data and (wrong := wrong_birth_date(born, self._today)):
            raise ValidationError(wrong)
        return born


class ProfileForms:
    """All forms of the page, bound where there is `data`. Sync: reads the children. `data["remove"]` names a
    child that goes; the rest is saved with it.
    """

    def __init__(self, person: Person, today: date, data: QueryDict | None = None) -> None:
        self.today, self.is_bound = today, data is not None
        self.stored, self._data = children_of(person), data
        self._remove = data.get("remove", "") if data else ""
        self.of_person = PersonForm(data, instance=person, today=today, prefix="you")
        self.of_children = [self._child_form(child, str(child.uuid)) for child in self.stored]
        self.of_new = None if len(self.stored) >= MOST_CHILDREN else self._child_form(Child(), NEW)

    def _child_form(self, child: Child, name: str) -> ChildForm:
        """A child that another tab has added meanwhile is not in the data, and stays as it is."""
        prefix = f"child-{name}"
        data = self._data if self._data is not None and f"{prefix}-name" in self._data else None
        return ChildForm(data, instance=child, today=self.today, prefix=prefix)

    @property
    def person(self) -> Person:
        person: Person = self.of_person.instance
        return person

    @cached_property
    def _kept(self) -> list[ChildForm]:
        return [form for form in self.of_children if str(form.instance.uuid) != self._remove]

    @cached_property
    def is_valid(self) -> bool:
        to_check = [self.of_person, *(form for form in [*self._kept, *self._added] if form.is_bound)]
        checked = [form.is_valid() for form in to_check]  # each of them: all that is wrong is told at once
        return all(checked)

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """(id of the field, what is wrong with it), in the order of the page."""
        shown = [self.of_person, *self._kept, *self._added]
        fields = [field for form in shown for field in form if form.is_bound and field.errors]
        return [(field.id_for_label, f"{field.label}: {field.errors[0]}") for field in fields]

    @property
    def _added(self) -> list[ChildForm]:
        return [self.of_new] if self.of_new and self.of_new.is_bound and self.of_new.has_changed() else []

    def save(self) -> None:
        self.of_person.save()
        for form in self._kept:
            if form.is_bound:
                form.save()
        for form in self._added:
            form.instance.person = self.person
            form.save()
        gone = [form.instance.pk for form in self.of_children if form not in self._kept]
        self.person.children.filter(pk__in=gone).delete()

    def draft(self) -> Known:
        """What answers would know if this were saved; what is wrong is left out."""
        self.is_valid  # noqa: B018  puts what is right into the instances
        return known(self.person, [form.instance for form in [*self._kept, *self._added]], self.today)
