"""How the peers do what rows measure; no rows lie here."""
