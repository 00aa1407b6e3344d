// Rendered on the server, where the import must do no harm.
import { version } from 'heartwire';
import { Live } from './live';

export default function Page() {
  return (
    <main>
      <p>server: version {version}</p>
      <Live />
    </main>
  );
}
