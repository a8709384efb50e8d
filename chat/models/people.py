from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """An account: for parents (who sign in by e-mail), reviewers and staff."""
