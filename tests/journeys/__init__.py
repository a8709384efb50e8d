"""The whole product through a door: a real server process, the simulator, and where needed a real browser."""
