"""When the water comes."""


def high(hour: int) -> int:
    """The hour of the next high tide, about."""
    return (hour + 12) % 24


def main() -> None:
    print(high(6))
