"""The answer on its way back: passed on or translated, held, cut, resumed, remembered."""
