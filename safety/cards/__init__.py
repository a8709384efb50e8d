"""What we say instead of an answer, and whom to call, with source and date. Never written by a model."""

from safety.cards.cards import Card, CardAction, UnknownCard, all_card_ids, card, names_a_country

__all__ = ["Card", "CardAction", "UnknownCard", "all_card_ids", "card", "names_a_country"]
