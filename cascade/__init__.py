"""Floor 4: between the tiers. What a node stored travels up once, what is ordered travels down."""
