-- Calls; -1 day since the last contact is no number of days.
select
    customer_id,
    age,
    job,
    marital,
    education,
    has_default,
    balance,
    has_housing_loan,
    has_personal_loan,
    contact,
    day_of_month,
    month,
    campaign_calls,
    cast(nullif(days_since_contact, -1) as integer) as days_since_contact,
    earlier_calls,
    earlier_outcome,
    call_seconds,
    is_subscribed
from bronze.bank_calls
