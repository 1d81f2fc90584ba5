"""The API with its dashboard, and a browser that has logged in."""

from tests.fixtures.pages import app, browser, judge_in_the_evening, real_app, real_browser

__all__ = ["app", "browser", "judge_in_the_evening", "real_app", "real_browser"]
