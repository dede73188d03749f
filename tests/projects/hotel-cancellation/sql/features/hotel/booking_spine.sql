-- Bookings that came in within the month before the night, whatever became of them since.
select
    booking_id,
    cast($night as date) as night
from staging.stg_hotel__bookings
where booked_on <= $night and booked_on > $night - interval '1' month
