async def test_all(client):
    for path in ["/healthz","/metrics","/api/v1/session","/api/v1/node","/api/v1/summary","/api/v1/devices","/api/v1/devices/edge-1~well-1","/api/v1/devices/edge-1~well-1/latest","/api/v1/devices/edge-1~well-1/history?point=level","/api/v1/devices/edge-1~well-1/states","/api/v1/devices/city~valve-1/commands","/api/v1/alarms","/api/v1/alarms/histogram","/api/v1/areas","/api/v1/rules","/api/v1/misfits","/api/v1/endpoints","/api/v1/map","/schema/openapi.json","/","/x.js","/api/v1/nothing","/api/v1/devices?foo=1","/api/v1/devices?limit=0"]:
        r = await client.get(path)
        print(path, r.status_code, r.text[:600], dict(r.headers) if path in ("/", "/api/v1/nothing") else "")
