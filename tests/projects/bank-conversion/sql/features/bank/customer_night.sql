-- What is known before the call: how long it takes is not.
select
    s.customer_id,
    s.night,
    f.age,
    f.job,
    f.marital,
    f.education,
    f.has_default,
    f.balance,
    f.has_housing_loan,
    f.has_personal_loan,
    f.contact,
    f.day_of_month,
    f.month,
    f.campaign_calls,
    f.days_since_contact,
    f.earlier_calls,
    f.earlier_outcome
from features.customer_spine as s
left join staging.stg_bank__calls as f on f.customer_id = s.customer_id
