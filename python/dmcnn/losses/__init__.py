"""Losses: functions of outputs and labels that a training makes small."""
