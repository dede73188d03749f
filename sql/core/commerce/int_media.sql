-- A table of its own, so that tables by day are built anew when the answer changes, and not with every message.
select
    medium,
    max(delivered) > 0 as has_deliveries
from core.int_messages
group by medium
