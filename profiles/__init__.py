"""What we know of them: people and touchpoints become profiles and answers."""
