"""What came before, taken in or judged once more: a stretch of time is found again, replayed or tried."""
