"""Floor 3: the protocols, each behind the one door (`protocols.adapter`)."""
