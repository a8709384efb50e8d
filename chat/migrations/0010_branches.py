from django.db import migrations
from django.db.models import Exists, OuterRef, Subquery


def grow_branches(apps, schema_editor):
    """A retried answer is a version beside the later one; a question follows the answer before it."""
    message = apps.get_model("chat", "Message")
    later = message.objects.filter(question=OuterRef("question"), pk__gt=OuterRef("pk"))
    message.objects.filter(Exists(later), role="assistant").update(is_shown=False)
    before = message.objects.filter(
        conversation=OuterRef("conversation"), role="assistant", is_shown=True, pk__lt=OuterRef("pk")
    )
    message.objects.filter(role="user").update(follows=Subquery(before.order_by("-pk").values("pk")[:1]))
    # The ones that were left without a title on purpose.
    apps.get_model("chat", "Conversation").objects.filter(title="").update(is_named=True)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0009_page_for_parents"),
    ]

    operations = [
        migrations.RunPython(grow_branches, migrations.RunPython.noop),
    ]
