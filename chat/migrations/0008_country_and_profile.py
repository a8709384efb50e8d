from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_checkpoints_unbound"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="country",
            field=models.CharField(
                blank=True,
                help_text="ISO 3166, as the person chose it: whose numbers the cards give.",
                max_length=2,
            ),
        ),
        migrations.AddField(
            model_name="generation",
            name="country_guessed",
            field=models.BooleanField(
                default=False,
                help_text="From the reader's clock or language; the cards say that it is a guess.",
            ),
        ),
        migrations.AddField(
            model_name="generation",
            name="profile",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="What the request told of the person: read by the safety check.",
            ),
        ),
    ]
