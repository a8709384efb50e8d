"""How well the rules do: sentences with labels, disguises, other people's sets, and what is counted."""
