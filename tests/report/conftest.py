"""Screens show local time: here that is UTC."""

import time

import pytest


@pytest.fixture
def utc(monkeypatch):
    """Times in UTC, whatever the machine's zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
