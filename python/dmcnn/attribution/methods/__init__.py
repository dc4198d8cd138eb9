"""Attribution methods, one module per principle."""
