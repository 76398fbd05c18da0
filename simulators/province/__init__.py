"""The fictional province 澄岳省: its geography, its areas and a map folder for the screen."""
