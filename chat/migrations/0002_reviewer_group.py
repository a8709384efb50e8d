"""The `reviewer` group: reads in the admin, changes only feedback and safety events (there, only review fields)."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MAY_READ = ["conversation", "message", "generation", "feedback", "safetyevent"]
MAY_REVIEW = ["feedback", "safetyevent"]


def make_group(apps, schema_editor):
    # Permissions are made after all migrations, but this one needs them now.
    config = apps.get_app_config("chat")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    codenames = [f"view_{name}" for name in MAY_READ] + [f"change_{name}" for name in MAY_REVIEW]
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="reviewer")
    permissions = apps.get_model("auth", "Permission").objects
    group.permissions.set(permissions.filter(content_type__app_label="chat", codename__in=codenames))


def remove_group(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name="reviewer").delete()


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_group, remove_group)]
