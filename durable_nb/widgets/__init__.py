"""Browser widgets that listen to core events: will hold the retry monitor and the timeline."""
