"""Reviewers read the statistics, and which answers are given again; the workers are the operators' affair."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

MAY_READ = ["view_answerstatistics", "view_cachedanswer"]


def permissions_of(apps):
    permissions = apps.get_model("auth", "Permission").objects
    return permissions.filter(content_type__app_label="chat", codename__in=MAY_READ)


def allow(apps, schema_editor):
    # Permissions are made after all migrations, but this one needs them now.
    config = apps.get_app_config("chat")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="reviewer")
    group.permissions.add(*permissions_of(apps))


def forbid(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name="reviewer"):
        group.permissions.remove(*permissions_of(apps))


class Migration(migrations.Migration):
    dependencies = [("chat", "0004_usage")]
    operations = [migrations.RunPython(allow, forbid)]
