"""Reading the gateway: HTTP in `client`, decoding beside it, typed answers in `readings`."""
