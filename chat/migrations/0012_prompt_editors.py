"""The group `prompt editors`: reads and changes the system prompts in the admin, and nothing else."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUP = "prompt editors"
MAY = ["view_prompt", "change_prompt"]


def make_group(apps, schema_editor):
    # Permissions are made after all migrations, but this one needs them now.
    config = apps.get_app_config("chat")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    permissions = apps.get_model("auth", "Permission").objects
    group.permissions.add(*permissions.filter(content_type__app_label="chat", codename__in=MAY))


def remove_group(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=GROUP).delete()


class Migration(migrations.Migration):
    dependencies = [("chat", "0011_search")]
    operations = [migrations.RunPython(make_group, remove_group)]
