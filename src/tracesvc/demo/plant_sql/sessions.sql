-- The sessions of the containers numbered from_rn to below to_rn: one row a lot, step and pass.
-- The load of a session is the lot's quantity less what was lost in those before it.
CREATE OR REPLACE TEMP TABLE session AS
WITH passed AS (
    SELECT
        l.rn, l.name AS lot_name, l.order_name, l.package_name, l.runcard, l.qty, s.step, s.station,
        l.rn * 64 + s.step * 2 + p.pass AS sid,
        l.created + to_seconds(((s.step - l.base_step) * 14 + p.pass * 5) * 3600
            + rnd(l.rn * 64 + s.step * 2 + p.pass, 'at', 18000)) AS track_in
    FROM lot AS l
    JOIN route AS s
        ON s.ord = l.ord AND s.step BETWEEN l.first_step AND l.last_step
        AND rnd(l.rn * 16 + s.step, 'step', 100) < s.share
    CROSS JOIN range(2) AS p (pass)
    WHERE l.rn >= getvariable('from_rn') AND l.rn < getvariable('to_rn') AND NOT l.silent
        AND (p.pass = 0 OR rnd(l.rn * 16 + s.step, 'pass', 12) = 0)
),
lost AS (
    SELECT
        *, CASE WHEN rnd(sid, 'loss', 6) = 0 THEN 1 + qty * rnd(sid, 'lost', 150) // 10000 ELSE 0 END AS loss,
        1 + greatest(0, rnd(sid, 'partials', 20) - 16) AS partials, 1800 + rnd(sid, 'duration', 18000) AS seconds
    FROM passed WHERE track_in <= plant_end()
)
SELECT
    s.* EXCLUDE (track_in), qty - coalesce(sum(loss) OVER before, 0)::BIGINT AS load,
    -- Rows without equipment or track-in are no session to the service.
    CASE WHEN rnd(sid, 'no track-in', 1000) > 0 THEN track_in END AS track_in,
    track_in AS moment, m.machine, m.machine_name,
    CASE WHEN rnd(sid, 'no machine', 500) > 0 THEN m.machine_id END AS machine_id,
    t.name AS station_name, t.name || '_' || package_name AS spec, rnd(sid, 'open', 250) = 0 AS is_open
FROM lost AS s
JOIN station AS t USING (station)
JOIN machine AS m ON m.machine = s.station * getvariable('machines')
    + rnd(s.rn * 16 + s.step + s.sid % 2, 'machine', getvariable('machines'))
WINDOW before AS (PARTITION BY rn ORDER BY sid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

INSERT INTO visit
SELECT machine, rn, sid, track_in FROM session
WHERE machine_id IS NOT NULL AND track_in IS NOT NULL ORDER BY sid;
