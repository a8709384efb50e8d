"""A server that speaks Azure OpenAI's wire and quotes public guidance: see `docs/simulator.md`."""
