"""Second opinions on a question: services and models that others run, asked only where a setting names them.

Each engine is sent a text from which personal data was masked, and gives signs. What it says can make a
verdict graver, never milder: see `raising`.
"""
