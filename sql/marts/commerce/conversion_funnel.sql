-- A visitor who reached a step has passed those before it, whether or not the tool caught them, so the
-- funnel never widens. A visit is a session of the export: events of any other session are not of a visitor.
with session_steps as (
    select
        session_id,
        max(funnel_step) as step
    from core.fct_page_events
    where funnel_step >= 2
    group by session_id
),

visitors as (
    select
        sessions.started_on as day,
        coalesce(sessions.channel, 'unknown') as channel,
        coalesce(sessions.visitor_id, sessions.session_id) as visitor_id,
        max(session_steps.step) as step
    from core.fct_sessions as sessions
    left join session_steps
        on session_steps.session_id = sessions.session_id
    group by
        sessions.started_on, coalesce(sessions.channel, 'unknown'),
        coalesce(sessions.visitor_id, sessions.session_id)
),

days as (
    select
        day,
        channel,
        count(*) as visits,
        sum(case when step >= 2 then 1 else 0 end) as product_views,
        sum(case when step >= 3 then 1 else 0 end) as carts,
        sum(case when step >= 4 then 1 else 0 end) as checkouts,
        sum(case when step >= 5 then 1 else 0 end) as purchases,
        sum(count(step)) over () > 0 as has_events
    from visitors
    group by day, channel
),

steps as (
    select
        days.day,
        days.channel,
        steps.step_number,
        steps.step,
        days.visits,
        case
            when steps.step_number = 1 then days.visits
            when not days.has_events then null
            when steps.step_number = 2 then days.product_views
            when steps.step_number = 3 then days.carts
            when steps.step_number = 4 then days.checkouts
            else days.purchases
        end as users
    from days
    cross join (
        values (1, 'visit'), (2, 'product_view'), (3, 'cart'), (4, 'checkout'), (5, 'purchase')
    ) as steps (step_number, step)
),

compared as (
    select
        day,
        channel,
        step_number,
        step,
        visits,
        users,
        lag(users) over (partition by day, channel order by step_number nulls last) as previous_users
    from steps
)

select
    day,
    channel,
    cast(step_number as integer) as step_number,
    step,
    cast(users as bigint) as users,
    cast(previous_users - users as bigint) as drop_off_users,
    cast(users as double) / nullif(cast(previous_users as double), 0) as step_rate,
    cast(users as double) / nullif(cast(visits as double), 0) as overall_rate
from compared
